"""`farmhand config check` beyond farmhand.yml: crontabs, units, and what they start."""
