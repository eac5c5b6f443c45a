"""The record of a run: what each attempt of each job was, and what runs now.

It lies below the run's prefix on S3. The executor writes it; whatever shows a run reads it, and asks AWS Batch nothing.
"""
