"""`terraflow fetch`: results of a run to this machine."""
