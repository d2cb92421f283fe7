"""Says who it is and waits for an end that does not come by itself; it has a child, which waits with it."""

import os
import subprocess
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    child = subprocess.Popen(["sleep", "60"])
    (Path(sys.argv[1]) / f"{os.getpid()}").write_text(str(child.pid))
    time.sleep(60)
