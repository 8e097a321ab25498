"""Words of the method page."""

from __future__ import annotations

TEXTS: dict[str, tuple[str, str]] = {
    "method.lead": (
        "Du fichier officiel à la réponse : cinq étapes, des branches qui lisent chacune une chose "
        "du produit, et la preuve chiffrée que chaque pièce gagne sa place.",
        "From the official file to the answer: five stages, branches that each read one thing of a "
        "product, and figures that show what each piece is worth.",
    ),
    "method.flow": ("Le flux", "The flow"),
    "method.stages": ("Les cinq étapes", "The five stages"),
    "method.stage.1": (
        "Ingestion|Lit les produits et leurs classes, les aligne, retrouve leurs images.",
        "Ingestion|Reads products and classes, aligns them, finds their pictures.",
    ),
    "method.stage.2": (
        "Validation|Contrôle les identifiants, les classes, ce qui manque ; repère les doublons.",
        "Validation|Checks ids, classes and what is missing; finds duplicates.",
    ),
    "method.stage.3": (
        "Transformation|Extrait une seule fois ce qui dépend d'un produit seul : texte nettoyé, "
        "statistiques, empreinte du réseau d'images.",
        "Transformation|Extracts once what depends on one product alone: clean text, statistics, "
        "embedding of the picture.",
    ),
    "method.stage.4": (
        "Entraînement|Apprend sur les produits d'entraînement seulement ; les doublons restent du "
        "même côté.",
        "Training|Learns from training products only; duplicates stay on one side.",
    ),
    "method.stage.5": (
        "Évaluation|Mesure sur des produits jamais vus, avec intervalles, par classe et par thème.",
        "Evaluation|Scores products never seen, with intervals, by class and by theme.",
    ),
    "method.compare": ("Six systèmes sur les mêmes plis", "Six systems on the same folds"),
    "method.compare.missing": (
        "La comparaison B0 à B5 n'a pas encore tourné.",
        "The comparison of B0 to B5 has not been run yet.",
    ),
    "method.compare.note": (
        "Chaque point est le F1 pondéré en validation croisée, le trait son intervalle à 95 %. "
        "Tous les systèmes voient les mêmes plis : une différence n'est pas due au tirage.",
        "Each point is the cross-validated weighted F1, the line its 95 % interval. All systems "
        "see the same folds, so no difference is due to the draw.",
    ),
    "method.difference": (
        "<b>{system}</b> contre <b>{versus}</b> : {difference} points de F1 pondéré "
        "(de {low} à {high}) : {verdict}.",
        "<b>{system}</b> against <b>{versus}</b>: {difference} points of weighted F1 "
        "({low} to {high}): {verdict}.",
    ),
    "method.better": ("clairement mieux", "clearly better"),
    "method.worse": ("clairement moins bien", "clearly worse"),
    "method.even": ("pas de différence établie", "no difference shown"),
    "method.cost": ("Ce que coûte un point", "What a point costs"),
    "method.cost.x": ("Apprentissage (s, échelle log)", "Time to fit (s, log scale)"),
    "method.f1_weighted": ("F1 pondéré", "Weighted F1"),
    "method.f1_macro": ("F1 macro", "Macro F1"),
    "method.accuracy": ("Exactitude", "Accuracy"),
    "method.top3": ("Top 3", "Top 3"),
    "method.log_loss": ("Log-loss", "Log-loss"),
    "method.ece": ("ECE", "ECE"),
    "method.fit_s": ("Apprentissage (s)", "Fit (s)"),
    "method.predict_rows_s": ("Produits/s", "Products/s"),
    "method.peak_mb": ("Mémoire (Mo)", "Memory (MB)"),
    "method.system": ("Système", "System"),
    "method.kind": ("Modèle", "Model"),
    "method.interval": ("Intervalle à 95 %", "95 % interval"),
    "method.system.B0": ("classe majoritaire", "majority class"),
    "method.system.B1": ("hasard stratifié", "stratified random"),
    "method.system.B2": ("texte seul", "text alone"),
    "method.system.B3": ("image seule", "picture alone"),
    "method.system.B4": ("branches accolées", "branches side by side"),
    "method.system.B5": ("fusion tardive", "late fusion"),
    "method.branches": ("Les branches et leurs poids", "The branches and their weights"),
    "method.branches.note": (
        "Une branche lit une chose du produit. Son poids multiplie ses colonnes ; 0 l'éteint "
        "(sections <code>[fusion.weights]</code> et <code>[features.text.weights]</code> de la "
        "configuration).",
        "A branch reads one thing of a product. Its weight multiplies its columns; 0 switches it "
        "off (sections <code>[fusion.weights]</code> and <code>[features.text.weights]</code> of "
        "the configuration).",
    ),
    "method.columns": ("{n} colonnes", "{n} columns"),
    "branch.tfidf_word": (
        "Mots|les mots et paires de mots du titre et de la description",
        "Words|words and pairs of words of title and description",
    ),
    "branch.tfidf_char": (
        "Caractères|les suites de 2 à 5 caractères du titre et de la description : fautes, "
        "pluriels, références",
        "Characters|runs of 2 to 5 characters of title and description: typos, plurals, codes",
    ),
    "branch.tfidf_word_title": ("Mots du titre|le titre seul", "Title words|the title alone"),
    "branch.tfidf_char_title": (
        "Caractères du titre|le titre seul",
        "Title characters|the title alone",
    ),
    "branch.has_description": (
        "Description présente|s'il y a une description",
        "Has description|whether there is a description",
    ),
    "branch.title_length": (
        "Longueur du titre|le nombre de caractères du titre",
        "Title length|how many characters the title has",
    ),
    "branch.text_stats": (
        "Statistiques du texte|nombre et longueur des mots, majuscules, diversité",
        "Text statistics|number and length of words, capitals, diversity",
    ),
    "branch.text_stats_pro": (
        "Indices du texte|chiffres, dimensions, ISBN, prix, âges, familles de mots",
        "Text clues|digits, dimensions, ISBN, prices, ages, families of words",
    ),
    "branch.language": ("Langue|la langue détectée", "Language|the detected language"),
    "branch.lexicon": (
        "Lexique|les mots les plus typiques de chaque classe",
        "Lexicon|the words most typical of each class",
    ),
    "branch.image_pixels": (
        "Pixels|les pixels d'une miniature, réduits",
        "Pixels|the pixels of a small square, reduced",
    ),
    "branch.image_stats": (
        "Mesures de l'image|couleurs, bords, contours, contraste, place occupée",
        "Picture measures|colours, borders, edges, contrast, space taken",
    ),
    "branch.image_cnn": (
        "Réseau d'images|l'empreinte d'un réseau pré-entraîné",
        "Picture network|the embedding of a pretrained network",
    ),
    "branch.image_vit": (
        "Vision Transformer|l'empreinte d'un ViT",
        "Vision Transformer|the embedding of a ViT",
    ),
    "branch.text": ("Texte|tout le texte", "Text|all of the text"),
    "branch.image": ("Image|toute l'image", "Picture|all of the picture"),
}
