#!/bin/sh
# What the catalog's command of Tube Archivist ends with.
exec python3 -m standin
