"""What is measured on one product's text: cleaning, language, statistics, lexicon."""
