"""Apache Airflow starts, follows and ends runs of TerraFlow Genomics, by the same head jobs as `terraflow run`."""

from airflow import __version__ as airflow_version
from packaging.version import Version

__version__ = "0.2.0"
OLDEST = "3.3.0"

if Version(Version(airflow_version).base_version) < Version(OLDEST):
    raise RuntimeError(
        f"terraflow-airflow needs Apache Airflow {OLDEST} or later, and this is {airflow_version}. In earlier releases "
        "a task that waits in the triggerer does not learn that it was ended (BaseTrigger.on_kill), and its jobs on "
        "AWS would run on and cost money."
    )
