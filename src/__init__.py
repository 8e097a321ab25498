"""Product classification from text and picture: data, features, models, evaluation, serving."""
