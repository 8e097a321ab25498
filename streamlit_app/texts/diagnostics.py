"""Words of the diagnostics page."""

from __future__ import annotations

TEXTS: dict[str, tuple[str, str]] = {
    "diagnostics.lead": (
        "Ce que le modèle réussit, ce qu'il confond, à quel point on peut croire ses probabilités, "
        "et si les données ont bougé depuis l'entraînement.",
        "What the model gets right, what it mixes up, how far its probabilities can be believed, "
        "and whether the data has moved since training.",
    ),
    "diagnostics.missing": (
        "Le modèle n'a pas encore été évalué.",
        "The model has not been evaluated yet.",
    ),
    "diagnostics.section.scores": ("Scores", "Scores"),
    "diagnostics.section.confusions": ("Confusions", "Confusions"),
    "diagnostics.section.classes": ("Classes", "Classes"),
    "diagnostics.section.confidence": ("Confiance", "Confidence"),
    "diagnostics.section.blocks": ("Pourquoi", "Why"),
    "diagnostics.section.issues": ("Étiquettes", "Labels"),
    "diagnostics.section.drift": ("Dérive", "Drift"),
    "diagnostics.split.oof": (
        "Mesuré sur {n} produits, chacun jugé par un modèle qui ne l'avait pas vu (hors pli). Sous "
        "chaque valeur, son intervalle à 95 %.",
        "Measured on {n} products, each judged by a model that had not seen it (out of fold). "
        "Below each value its 95 % interval.",
    ),
    "diagnostics.split.holdout": (
        "Mesuré sur {n} produits mis de côté avant l'entraînement. Sous chaque valeur, son "
        "intervalle à 95 %.",
        "Measured on {n} products held out before training. Below each value its 95 % interval.",
    ),
    "diagnostics.f1_weighted": ("F1 pondéré", "Weighted F1"),
    "diagnostics.f1_macro": ("F1 macro", "Macro F1"),
    "diagnostics.accuracy": ("Réponses justes", "Right answers"),
    "diagnostics.top3": ("Juste parmi les 3 premières", "Right among the top 3"),
    "diagnostics.theme_accuracy": ("Bon thème", "Right theme"),
    "diagnostics.log_loss": ("Log-loss", "Log-loss"),
    "diagnostics.ece": ("Erreur de calibration (ECE)", "Calibration error (ECE)"),
    "diagnostics.slices": ("Pour qui marche-t-il ?", "Whom does it work for?"),
    "diagnostics.slices.by": ("Découper par", "Slice by"),
    "diagnostics.slices.score": ("Score", "Score"),
    "diagnostics.slice.language": ("Langue", "Language"),
    "diagnostics.slice.has_image": ("Image", "Picture"),
    "diagnostics.slice.has_description": ("Description", "Description"),
    "diagnostics.slice.theme": ("Thème", "Theme"),
    "diagnostics.has_image.true": ("avec image", "with a picture"),
    "diagnostics.has_image.false": ("sans image", "without a picture"),
    "diagnostics.has_description.true": ("avec description", "with a description"),
    "diagnostics.has_description.false": ("sans description", "without a description"),
    "diagnostics.no_predictions": (
        "Les prédictions produit par produit ne sont pas là.",
        "The predictions product by product are not there.",
    ),
    "diagnostics.no_classes": (
        "Les scores par classe ne sont pas là.",
        "The scores by class are not there.",
    ),
    "confusions.scope": ("Regarder", "Look at"),
    "confusions.scope.themes": ("Entre thèmes", "Between themes"),
    "confusions.scope.classes": ("Toutes les classes", "All classes"),
    "confusions.scope.inside": ("À l'intérieur de : {theme}", "Inside: {theme}"),
    "confusions.only_wrong": ("Erreurs seulement", "Mistakes only"),
    "confusions.elsewhere": ("Autres thèmes", "Other themes"),
    "confusions.true": ("Étiqueté", "Labelled"),
    "confusions.predicted": ("Prédit", "Predicted"),
    "confusions.rate": ("Part des produits ainsi étiquetés", "Share of the products labelled so"),
    "confusions.note": (
        "Cliquez sur une case, ou choisissez-la ci-dessous, pour voir les produits qu'elle compte.",
        "Click a cell, or choose it below, to see the products that it counts.",
    ),
    "confusions.behind": (
        "Produits derrière cette case, les plus sûrs d'abord : {n}",
        "Products behind this cell, the surest first: {n}",
    ),
    "confusions.page": ("Page (sur {n})", "Page (of {n})"),
    "confusions.said": ("prédit à {p}", "predicted at {p}"),
    "confusions.is": ("étiqueté", "labelled"),
    "classes.title": ("F1 par classe, la plus faible d'abord", "F1 by class, the weakest first"),
    "classes.precision": ("Précision", "Precision"),
    "classes.recall": ("Rappel", "Recall"),
    "classes.baselines": (
        "Ce que l'image ajoute : B2 (texte) et B4 (texte + image)",
        "What the picture adds: B2 (text) and B4 (text + picture)",
    ),
    "classes.no_baselines": (
        "Les diagnostics de B2 et B4 ne sont pas là.",
        "The diagnostics of B2 and B4 are not there.",
    ),
    "classes.text_alone": ("texte seul", "text alone"),
    "classes.both": ("texte et image", "text and picture"),
    "classes.baselines.note": (
        "Avec l'image, {better} classes gagnent en F1 et {worse} en perdent.",
        "With the picture {better} classes gain in F1 and {worse} lose.",
    ),
    "classes.top": ("Confusions les plus fréquentes, {what}", "Most frequent confusions, {what}"),
    "confidence.missing": (
        "Les courbes de confiance ne sont pas là.",
        "The confidence curves are not there.",
    ),
    "confidence.reliability": ("Dit-il vrai quand il est sûr ?", "Is it right when it is sure?"),
    "confidence.said": ("Probabilité annoncée", "Stated probability"),
    "confidence.was": ("Réponses justes", "Right answers"),
    "confidence.reliability.note": (
        "Sur la diagonale, la probabilité annoncée est exacte. Écart moyen (ECE) : {ece}.",
        "On the diagonal the stated probability is exact. Mean gap (ECE): {ece}.",
    ),
    "confidence.selective": ("Combien décider sans relire ?", "How much without review?"),
    "confidence.threshold": ("Seuil de probabilité", "Probability threshold"),
    "confidence.decided": ("Produits décidés", "Products decided"),
    "confidence.selective.note": (
        "À ce seuil, <b>{share}</b> des produits sont décidés sans relecture, dont "
        "<b>{accuracy}</b> justes ; {review} vont à une personne.",
        "At this threshold <b>{share}</b> of the products are decided without review, "
        "<b>{accuracy}</b> of them right; {review} go to a person.",
    ),
    "confidence.nothing": (
        "À ce seuil, tout va à une personne.",
        "At this threshold everything goes to a person.",
    ),
    "confidence.chosen": (
        "Seuil retenu à l'entraînement : {threshold}, pour viser {target} de réponses justes.",
        "Threshold chosen in training: {threshold}, aiming at {target} right answers.",
    ),
    "blocks.missing": (
        "Les contributions par bloc n'ont pas encore été calculées.",
        "The contributions by block have not been computed yet.",
    ),
    "blocks.title": ("Ce qui pèse dans la décision", "What counts in the decision"),
    "blocks.unknown": (
        "Cette classe n'est pas dans le calcul.",
        "This class is not in the computation.",
    ),
    "blocks.note": (
        "Part de chaque bloc dans les contributions (valeurs de Shapley, moyenne des tailles) à la "
        "marge de la classe.",
        "Share of each block in the contributions (Shapley values, mean size) to the margin of the "
        "class.",
    ),
    "issues.missing": (
        "La liste des étiquettes douteuses n'a pas encore été faite.",
        "The list of doubtful labels has not been made yet.",
    ),
    "issues.title": ("{n} étiquettes douteuses", "{n} doubtful labels"),
    "issues.note": (
        "Un modèle qui n'avait pas vu le produit est sûr d'une autre classe. À relire par une "
        "personne, les plus nettes d'abord.",
        "A model that had not seen the product is sure of another class. For a person to look at, "
        "the clearest first.",
    ),
    "issues.given": ("Classe donnée", "Given class"),
    "issues.labelled": ("étiqueté", "labelled"),
    "issues.suggested": ("plutôt", "rather"),
    "issues.product": ("produit {id}", "product {id}"),
    "issues.more": ("En voir plus", "Show more"),
    "issues.download": ("Télécharger la liste (CSV)", "Download the list (CSV)"),
    "drift.missing": (
        "Aucun rapport de dérive pour l'instant.",
        "No drift report yet.",
    ),
    "drift.report": ("Rapport", "Report"),
    "drift.history": ("Rapports au fil du temps", "Reports over time"),
    "drift.alert": ("Alerte", "Alert"),
    "drift.calm": ("Rien à signaler", "Nothing to report"),
    "drift.accuracy": ("Réponses justes (estimation)", "Right answers (estimate)"),
    "drift.accuracy.before": ("à l'entraînement", "in training"),
    "drift.moved": ("A bougé : {what}.", "What moved: {what}."),
    "drift.nothing": ("Le lot ressemble à l'entraînement.", "The lot looks like training."),
    "drift.rate": (
        "Un lot inchangé n'alerte que dans {rate} des cas.",
        "An unchanged lot raises an alert in {rate} of cases only.",
    ),
    "drift.findings": ("Chaque signal, face à son seuil", "Each signal against its threshold"),
    "drift.findings.note": (
        "Au-dessus de 1 ×, le signal dépasse ce que donnent les lots inchangés de cette taille.",
        "Above 1 × the signal exceeds what unchanged lots of this size give.",
    ),
    "drift.mix": ("Classes qui ont le plus changé de part", "Classes whose share changed most"),
    "drift.before": ("à l'entraînement", "in training"),
    "drift.now": ("dans ce lot", "in this lot"),
    "drift.examples": ("Des produits qui montrent le changement", "Products that show the change"),
}
