"""Classify the held-out digits with the network that train.py left.

The folder with the model is the first argument; predictions and accuracy go to BRIDGE_ARTIFACTS.
"""

import csv
import json
import os
import pickle
import sys
from pathlib import Path


def main() -> None:
    # The model is our own training's artifact; never unpickle what somebody else has written.
    model = pickle.loads((Path(sys.argv[1]) / "model.pickle").read_bytes())
    artifacts = Path(os.environ["BRIDGE_ARTIFACTS"])
    network, images, digits = model["network"], model["held_out"], model["digits"]
    predictions = network.predict(images)
    with (artifacts / "predictions.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "digit", "prediction"])
        rows.writerows(zip(range(len(digits)), digits, predictions, strict=True))
    right = int((predictions == digits).sum())
    accuracy = right / len(digits)
    outcome = {"images": len(digits), "right": right, "accuracy": accuracy}
    (artifacts / "classification.json").write_text(json.dumps(outcome))
    print(f"{right} of {len(digits)} held-out images classified rightly; accuracy {accuracy:.4f}")


if __name__ == "__main__":
    main()
