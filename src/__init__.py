"""Product classification from text and image: data, features, models, evaluation, serving."""
