"""What Prefect needs to schedule and trigger the flows; files are package data."""
