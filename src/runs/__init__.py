"""What is done with a finished run: comparison, promotion, explanation, files of scores, MLflow."""
