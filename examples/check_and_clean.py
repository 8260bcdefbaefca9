"""Look for what would spoil a model, and write a manifest of the rows that can do no harm.

python examples/check_and_clean.py PHOTOS CLEAN.csv
"""

import sys

import topwork
from topwork.data import write_manifest

checkup = topwork.check(topwork.read(sys.argv[1]))
for finding in checkup.findings:
    print(f"{finding.severity} {finding.name}: {finding.what}")
clean = checkup.clean()
write_manifest(clean, sys.argv[2])
print(f"{len(clean)} of {len(checkup.dataset)} images are in {sys.argv[2]}")
