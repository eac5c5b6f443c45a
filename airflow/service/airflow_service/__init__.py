"""What runs in the container of Airflow's image, beside Airflow itself.

start   reads the secrets, brings the database up to date, and becomes the supervisor (honcho, with ../Procfile)
login   keeps the password of the database where the drivers read it; RDS changes it each week
health  says whether all parts of Airflow are alive
"""
