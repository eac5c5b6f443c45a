"""The inbox: a sheet that is written last as `raw/NAME/samples.tsv` starts run NAME."""
