"""Networks of images and texts: weights, ONNX export, runtimes, fine-tuning, heat maps.

The order of the room: a file imports files of the lines above its own, and no others. Torch is
loaded inside functions, where a network is built, trained or run on a graphics card.

    backbones                       names and sizes
    hub                             files of networks, fetched once and checked
    architectures                   bodies, pooling, normalisation
    hugging_face, text_network      the same for the models of Hugging Face: of images, of texts
    foreign                         ONNX files of other programs -> ONNX bytes as ours
    weights                         a name, a file or ONNX bytes -> a torch network
    export, runtime                 torch network -> ONNX bytes -> embeddings and feature maps
    trainer, fine_tuning            the training loop; ONNX bytes -> those tuned on some rows
    heat_map                        where in the image an answer comes from
"""
