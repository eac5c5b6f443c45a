"""An AWS for tests: moto's server, made as strict as AWS where moto is not. `process.py` starts it and talks to it."""
