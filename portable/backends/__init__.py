"""Back ends: `render(plan) -> Rendering`, pure; a thin edge beside it observes and applies. Never prints, never exits."""
