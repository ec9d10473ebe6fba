"""The catalog: one folder an app with its facts, templates and image recipe. Knows no back end."""
