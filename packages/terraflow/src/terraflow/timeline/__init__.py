"""The timeline of a run: one HTML page with a bar for each job, vCPUs and money over time, and sizes asked and used."""
