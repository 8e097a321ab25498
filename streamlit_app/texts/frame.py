"""Words of the frame: navigation, banner, empty pages, units."""

from __future__ import annotations

TEXTS: dict[str, tuple[str, str]] = {
    "page.exploration": ("Exploration", "Exploration"),
    "page.method": ("Méthode", "Method"),
    "page.diagnostics": ("Diagnostic", "Diagnostics"),
    "page.predict": ("Prédire", "Predict"),
    "page.team": ("Équipe", "Team"),
    "frame.language": ("Langue", "Language"),
    "frame.model": ("Modèle en service", "Model in service"),
    "frame.no_model": ("Aucun modèle pour l'instant", "No model yet"),
    "frame.since": ("depuis le {date}", "since {date}"),
    "frame.f1": ("F1 pondéré {score} (mis de côté)", "weighted F1 {score} (held out)"),
    "frame.synthetic": (
        "<b>SYNTHÉTIQUE.</b> Boutique de démonstration : aucun de ces produits n'existe, et les "
        "scores ne disent rien du vrai catalogue.",
        "<b>SYNTHETIC.</b> Demo shop: none of these products exists, and the scores say nothing "
        "about the real catalogue.",
    ),
    "frame.problem": ("Quelque chose bloque", "Something is in the way"),
    "frame.next": ("Commande suivante :", "Next command:"),
    "empty.title": ("Rien à montrer pour l'instant", "Nothing to show yet"),
    "empty.make": ("Cette commande le produit :", "This command makes it:"),
    "theme.other": ("Autres", "Other"),
    "unit.products": ("{n} produits", "{n} products"),
    "word.class": ("Classe", "Class"),
    "word.theme": ("Thème", "Theme"),
    "word.code": ("Code", "Code"),
    "word.products": ("Produits", "Products"),
    "word.share": ("Part", "Share"),
    "word.all": ("Toutes", "All"),
    "word.no_picture": ("Pas d'image", "No picture"),
    "word.download": ("Télécharger", "Download"),
    "word.probability": ("Probabilité", "Probability"),
    "kind.late_fusion": ("Fusion tardive", "Late fusion"),
    "kind.linear_svc": ("SVM linéaire", "Linear SVM"),
    "kind.logreg": ("Régression logistique", "Logistic regression"),
    "kind.xgboost": ("XGBoost", "XGBoost"),
    "kind.lightgbm": ("LightGBM", "LightGBM"),
    "language.fr": ("français", "French"),
    "language.en": ("anglais", "English"),
    "language.de": ("allemand", "German"),
    "language.nl": ("néerlandais", "Dutch"),
    "language.it": ("italien", "Italian"),
    "language.es": ("espagnol", "Spanish"),
    "language.other": ("autre ou incertaine", "other or unsure"),
}
