"""Train a small network on the handwritten digits that come with scikit-learn.

Runs in any image with scikit-learn and PyYAML, with bridge/progress.py beside it. The bridge tells
it where everything is: BRIDGE_PARAMS names a YAML file, and BRIDGE_ARTIFACTS the folder that keeps
what the job leaves.
"""

import json
import os
import pickle
from pathlib import Path

import yaml
from progress import report
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier


def main() -> None:
    params = yaml.safe_load(Path(os.environ["BRIDGE_PARAMS"]).read_text())
    artifacts = Path(os.environ["BRIDGE_ARTIFACTS"])
    images, digits = load_digits(return_X_y=True)
    seen, held_out, seen_digits, held_out_digits = train_test_split(
        images / 16, digits, test_size=params["held_out"], random_state=params["seed"]
    )
    network = MLPClassifier(
        hidden_layer_sizes=params["hidden_layers"],
        learning_rate_init=params["learning_rate"],
        random_state=params["seed"],
    )
    epochs = params["epochs"]
    for epoch in range(1, epochs + 1):
        network.partial_fit(seen, seen_digits, classes=range(10))
        report(epoch, total=epochs, loss=network.loss_)
        print(f"epoch {epoch:3} of {epochs}  loss {network.loss_:.4f}", flush=True)
    model = {"network": network, "held_out": held_out, "digits": held_out_digits}
    (artifacts / "model.pickle").write_bytes(pickle.dumps(model))
    accuracy = float(network.score(seen, seen_digits))
    summary = {"images": len(seen), "epochs": epochs, "loss": float(network.loss_)}
    (artifacts / "training.json").write_text(json.dumps({**summary, "accuracy": accuracy}))
    print(f"trained on {len(seen)} images; accuracy on them {accuracy:.4f}")


if __name__ == "__main__":
    main()
