"""What Airflow shows of the provider, and which classes of links it may load."""

from importlib.metadata import version
from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata; Airflow finds this function by the entry point apache_airflow_provider."""
    package = "terraflow_airflow"
    links = ("ReportLink", "TimelineLink", "LogLink", "JobLink")
    return {
        "package-name": "terraflow-airflow",
        "name": "TerraFlow Genomics",
        "description": "Runs of TerraFlow Genomics on AWS Batch.",
        "versions": [version("terraflow-airflow")],
        "integrations": [
            {
                "integration-name": "TerraFlow Genomics",
                "external-doc-url": "https://github.com/terraflow-genomics/terraflow-genomics",
                "tags": ["service"],
            }
        ],
        "operators": [{"integration-name": "TerraFlow Genomics", "python-modules": [f"{package}.operator"]}],
        "triggers": [
            {"integration-name": "TerraFlow Genomics", "python-modules": [f"{package}.trigger", f"{package}.sheets"]}
        ],
        "extra-links": [f"{package}.links.{link}" for link in links],
    }
