"""The app: looks at the catalogue, the method, the scores, and predicts, in French and English."""
