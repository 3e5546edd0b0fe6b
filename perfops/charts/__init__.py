"""Charts as plain geometry: numbers in, what an SVG needs out. No template, no ORM."""
