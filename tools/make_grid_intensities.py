#!/usr/bin/env python3
"""Writes models/grid/carbon_intensity.csv: what a kilowatt-hour from each country's grid emits.

    pip download --no-deps -d /tmp/cc codecarbon==3.3.2 && tools/make_grid_intensities.py /tmp/cc/codecarbon-3.3.2-py3-none-any.whl

The figures are Ember's and the Energy Institute's, gathered by Our World in Data ("carbon intensity of electricity
generation", CC BY 4.0), as the package codecarbon carries them. Rounded to whole grams.
"""
import json
import pathlib
import sys
import zipfile

OLDEST = 2020

with zipfile.ZipFile(sys.argv[1]) as wheel:
    countries = json.loads(wheel.read("codecarbon/data/private_infra/global_energy_mix.json"))
rows = [(code, row["country_name"], row["year"], round(row["carbon_intensity"])) for code, row in countries.items()
        if len(code) == 3 and row.get("carbon_intensity") and row.get("year", 0) >= OLDEST and "," not in row["country_name"]]
out = pathlib.Path(__file__).resolve().parent.parent / "models/grid/carbon_intensity.csv"
out.write_text("code,country,year,gco2e_per_kwh\n" + "".join("%s,%s,%d,%d\n" % row for row in sorted(rows)))
print(len(rows), "countries")
