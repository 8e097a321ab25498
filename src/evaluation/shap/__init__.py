"""Exact SHAP values of linear and tree experts, by block, by n-gram, through late fusion."""
