"""Words of the exploration page."""

from __future__ import annotations

TEXTS: dict[str, tuple[str, str]] = {
    "exploration.lead": (
        "Le catalogue sur lequel le modèle apprend : combien de produits par classe, à quoi "
        "ressemblent leurs textes et leurs images.",
        "The catalogue that the model learns from: how many products a class has, what their texts "
        "and pictures look like.",
    ),
    "exploration.missing": (
        "Le catalogue n'a pas encore été lu.",
        "The catalogue has not been read yet.",
    ),
    "exploration.labelled": ("produits étiquetés", "labelled products"),
    "exploration.unlabelled": ("produits à classer", "products to classify"),
    "exploration.classes": ("classes, {n} thèmes", "classes, {n} themes"),
    "exploration.with_picture": ("ont une image", "have a picture"),
    "exploration.without_text": ("sans description", "have no description"),
    "exploration.section.classes": ("Classes", "Classes"),
    "exploration.section.texts": ("Textes", "Texts"),
    "exploration.section.gallery": ("Galerie", "Gallery"),
    "exploration.section.words": ("Mots", "Words"),
    "exploration.by": ("Regrouper par", "Group by"),
    "exploration.by.class": ("Classe", "Class"),
    "exploration.by.theme": ("Thème", "Theme"),
    "exploration.classes.title": (
        "Produits étiquetés par classe",
        "Labelled products of each class",
    ),
    "exploration.classes.note": (
        "La plus grande classe, {big}, compte {ratio} fois plus de produits que la plus petite, "
        "{small}.",
        "The largest class, {big}, has {ratio} times as many products as the smallest, {small}.",
    ),
    "exploration.themes.title": (
        "Produits étiquetés par thème",
        "Labelled products of each theme",
    ),
    "exploration.table": ("Le tableau complet", "The whole table"),
    "exploration.no_description": ("Sans description", "No description"),
    "exploration.no_picture": ("Sans image", "No picture"),
    "exploration.title_length": ("Titre (médiane, caractères)", "Title (median, characters)"),
    "exploration.lengths.title": (
        "Longueur des titres et des descriptions",
        "Length of titles and descriptions",
    ),
    "exploration.lengths.x": (
        "Caractères (échelle logarithmique)",
        "Characters (logarithmic scale)",
    ),
    "exploration.lengths.y": ("Part des produits", "Share of products"),
    "exploration.lengths.field.designation": ("Titre", "Title"),
    "exploration.lengths.field.description": ("Description", "Description"),
    "exploration.lengths.note": (
        "Médiane : {title} caractères pour un titre, {description} pour une description (là où il "
        "y en a une).",
        "Median: {title} characters for a title, {description} for a description (where there is "
        "one).",
    ),
    "exploration.languages.title": ("Langue détectée, par thème", "Detected language, by theme"),
    "exploration.languages.axis": ("Langue", "Language"),
    "exploration.missing.title": ("Ce qui manque, par thème", "What is missing, by theme"),
    "exploration.gallery.another": ("Autres produits", "Other products"),
    "exploration.gallery.only": ("Avec image seulement", "With a picture only"),
    "exploration.gallery.none": (
        "Aucun produit ne correspond à ce choix.",
        "No product answers to this choice.",
    ),
    "exploration.words.frequent": ("Mots fréquents des titres", "Frequent words of titles"),
    "exploration.words.typical": ("Mots typiques de la classe", "Words typical of the class"),
    "exploration.words.count": ("Produits dont le titre a le mot", "Products with it in the title"),
    "exploration.words.times": (
        "Combien de fois plus souvent que dans les autres classes",
        "How many times as often as in other classes",
    ),
    "exploration.words.word": ("Mot", "Word"),
    "exploration.words.cloud": ("Nuage de mots", "Word cloud"),
    "exploration.words.no_cloud": (
        "Pour le nuage de mots : `pip install wordcloud`.",
        "For the word cloud: `pip install wordcloud`.",
    ),
}
