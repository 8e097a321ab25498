"""Words of the team page."""

from __future__ import annotations

TEXTS: dict[str, tuple[str, str]] = {
    "team.lead": (
        "Qui fait quoi, et ce que veulent dire les mots de ces pages.",
        "Who does what, and what the words on these pages mean.",
    ),
    "team.edit": (
        "Ces profils viennent de <code>streamlit_app/assets/team.json</code> : mettez-y les "
        "vôtres.",
        "These profiles come from <code>streamlit_app/assets/team.json</code>: put yours there.",
    ),
    "team.glossary": ("Les mots de ces pages", "The words on these pages"),
    "team.word.prdtypecode": (
        "prdtypecode|Le code de la catégorie d'un produit : ce que le modèle doit trouver.",
        "prdtypecode|The code of a product's category: what the model has to find.",
    ),
    "team.word.f1": (
        "F1|Moyenne harmonique de la précision (quand il dit cette classe, a-t-il raison ?) et du "
        "rappel (de cette classe, combien en trouve-t-il ?). « Pondéré » : moyenne sur les classes "
        "au poids de leur taille ; « macro » : toutes les classes comptent autant.",
        "F1|Harmonic mean of precision (when it says this class, is it right?) and recall (of this "
        "class, how many does it find?). Weighted: averaged over classes by their size; macro: all "
        "classes count alike.",
    ),
    "team.word.margin": (
        "Marge|Le nombre d'où vient la probabilité d'une classe : plus elle dépasse celles des "
        "autres, plus le modèle est sûr.",
        "Margin|The number that a class's probability comes from: the further it is above the "
        "others', the surer the model.",
    ),
    "team.word.fold": (
        "Pli|Une part des produits, jugée par un modèle qui a appris sur les autres parts.",
        "Fold|A part of the products, judged by a model that learned from the other parts.",
    ),
    "team.word.shap": (
        "SHAP|Ce que chaque mot ou branche ajoute à la marge par rapport à un produit moyen ; la "
        "somme redonne la marge.",
        "SHAP|What each word or branch adds to the margin against an average product; together "
        "they give the margin.",
    ),
    "team.word.drift": (
        "Dérive|De nouveaux produits qui ne ressemblent plus à ceux de l'entraînement.",
        "Drift|New products that no longer look like those of training.",
    ),
    "team.model_card": ("Fiche du modèle en service", "Card of the model in service"),
    "team.model_card.open": ("Ouvrir la fiche", "Open the card"),
}
