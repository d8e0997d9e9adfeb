"""The pages for people: rows → a pure view → a template."""
