"""One folder a feature: the plan that shows it (`<feature>_case.py`), and what every back end makes of it, side by side as real files.

A case has `plan(back_end)`, and `check(back_end, rendering)`, one rule written by hand that the files must keep whatever they look like.
`NOT_FOR` names the back ends that can't show it. `pytest tests/render/test_golden.py --update-golden` rewrites the files; read the diff.
"""
