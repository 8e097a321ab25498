"""Words of the prediction page."""

from __future__ import annotations

TEXTS: dict[str, tuple[str, str]] = {
    "predict.lead": (
        "Écrivez un produit, ajoutez une image si vous en avez une, et voyez sa classe, à quel "
        "point le modèle en est sûr, et pourquoi.",
        "Write a product, add a picture if you have one, and see its class, how sure the model is, "
        "and why.",
    ),
    "predict.missing": ("Aucun modèle n'est prêt à répondre.", "No model is ready to answer."),
    "predict.section.one": ("Un produit", "One product"),
    "predict.section.file": ("Un fichier", "A file"),
    "predict.title": ("Titre", "Title"),
    "predict.title.hint": ("Harry Potter à l'école des sorciers, tome 1", "Inflatable pool, 3 m"),
    "predict.description": ("Description (facultative)", "Description (optional)"),
    "predict.picture": ("Image (facultative)", "Picture (optional)"),
    "predict.demo": ("ou une image de démonstration", "or a demo picture"),
    "predict.demo.none": ("aucune", "none"),
    "predict.demo.number": ("image {n}", "picture {n}"),
    "predict.ask": ("Prédire", "Predict"),
    "predict.example": ("Un produit au hasard", "A product at random"),
    "predict.nothing": (
        "Écrivez un titre ou une description, ou choisissez une image.",
        "Write a title or a description, or choose a picture.",
    ),
    "predict.waiting": (
        "La réponse apparaîtra ici.",
        "The answer will appear here.",
    ),
    "predict.bad_picture": (
        "Cette image ne peut pas être lue ({reason}) : la réponse se fera sans elle.",
        "This picture can't be read ({reason}): the answer does without it.",
    ),
    "predict.sure": ("Peut être décidé sans relecture", "Can be decided without review"),
    "predict.review": ("À faire relire par une personne", "Needs a person's review"),
    "predict.sure.why": (
        "Le modèle est sûr à {p}, au-dessus du seuil de {threshold}.",
        "The model is {p} sure, above the threshold of {threshold}.",
    ),
    "predict.review.why": (
        "Le modèle n'est sûr qu'à {p}, sous le seuil de {threshold}.",
        "The model is only {p} sure, below the threshold of {threshold}.",
    ),
    "predict.known": (
        "Ce produit, texte et image, était dans les données d'entraînement.",
        "This product, text and picture, was in the training data.",
    ),
    "predict.used.both": ("Texte et image ont été lus.", "Text and picture were read."),
    "predict.used.text": ("Seul le texte a été lu.", "Only the text was read."),
    "predict.used.image": ("Seule l'image a été lue.", "Only the picture was read."),
    "predict.why": ("Pourquoi ?", "Why?"),
    "predict.why.class": ("Expliquer la classe", "Explain the class"),
    "predict.why.words": ("Les mots", "The words"),
    "predict.why.words.note": (
        "En vert ce qui parle pour la classe, en rouge ce qui parle contre ; plus c'est foncé, "
        "plus cela compte.",
        "Green speaks for the class, red against it; the darker, the more it counts.",
    ),
    "predict.why.for": ("Pour", "For"),
    "predict.why.against": ("Contre", "Against"),
    "predict.why.blocks": ("Les branches", "The branches"),
    "predict.why.blocks.note": (
        "Ce que chaque branche ajoute à la marge de la classe ou lui retire, par rapport à un "
        "produit moyen.",
        "What each branch adds to the margin of the class or takes from it, against an average "
        "product.",
    ),
    "predict.why.weights": ("Poids des experts", "Weights of the experts"),
    "predict.why.heat": ("Où le réseau regarde", "Where the network looks"),
    "predict.correct": ("Ce n'est pas la bonne classe ?", "Not the right class?"),
    "predict.correct.class": ("La bonne classe", "The right class"),
    "predict.correct.author": ("Votre nom (facultatif)", "Your name (optional)"),
    "predict.correct.comment": ("Un mot (facultatif)", "A remark (optional)"),
    "predict.correct.send": ("Corriger l'étiquette", "Correct the label"),
    "predict.correct.database": (
        "Merci : la correction est dans la base de données.",
        "Thank you: the correction is in the database.",
    ),
    "predict.correct.file": (
        "Merci : la correction est dans results/feedback.jsonl ; le prochain init.sh la chargera.",
        "Thank you: the correction is in results/feedback.jsonl; the next init.sh will load it.",
    ),
    "predict.correct.untitled": (
        "Une correction a besoin du titre du produit.",
        "A correction needs the product's title.",
    ),
    "predict.file.csv": (
        "Fichier CSV : une colonne `designation`, et, si connus, `description`, `productid`, "
        "`imageid`",
        "CSV file: a column `designation`, and `description`, `productid`, `imageid` where known",
    ),
    "predict.file.zip": (
        "Images (facultatif) : un zip de `image_IMAGEID_product_PRODUCTID.jpg`",
        "Pictures (optional): a zip of `image_IMAGEID_product_PRODUCTID.jpg`",
    ),
    "predict.file.score": ("Classer le fichier", "Score the file"),
    "predict.file.example": ("Télécharger un exemple (CSV)", "Download an example (CSV)"),
    "predict.file.progress": ("{n} produits classés", "{n} products scored"),
    "predict.file.rows": ("produits classés", "products scored"),
    "predict.file.sure": ("décidés sans relecture", "decided without review"),
    "predict.file.review": ("à relire", "to review"),
    "predict.file.classes": ("classes prédites", "predicted classes"),
    "predict.file.pictures": (
        "images lues dans le zip, {skipped} fichiers écartés",
        "pictures read from the zip, {skipped} files passed over",
    ),
    "predict.file.download": ("Télécharger les réponses (CSV)", "Download the answers (CSV)"),
    "predict.file.mix": ("Classes prédites", "Predicted classes"),
    "predict.file.first": ("Les {n} premiers produits", "The first {n} products"),
    "predict.file.column.review": ("À relire", "To review"),
    "predict.file.column.image": ("Image lue", "Picture read"),
}
