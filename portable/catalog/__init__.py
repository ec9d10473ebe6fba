"""The catalog: one folder for each app with its facts, templates and image recipe. Independent of back ends."""
