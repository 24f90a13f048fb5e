"""What the vectors of rogi.json, annotation_ranking.json and perturbation.json are compared with."""

import numpy as np
import pytest

import metrics
from metrics import Undefined, perturbation
from metrics.roughness import curve, merges


def roughness(case, check) -> None:
    inputs = case["inputs"]
    assert inputs["norm_y"] is True
    metric = "precomputed" if "D" in inputs else "euclidean"
    X, y, step = np.array(inputs.get("D", inputs.get("X"))), np.array(inputs["y"]), inputs["min_dt"]
    found = curve(merges(X, metric=metric), y, min_dt=step)
    ours = {
        "rogi": metrics.rogi(X, y, metric=metric, min_dt=step),
        "rogi_xd": metrics.rogi_xd(X, y, metric=metric, min_dt=step),
    }
    check(ours, case["expected"], case["tolerance"])
    check(ours, case["reference"], case["tolerance"])
    path = {"thresholds": found.thresholds, "dispersion": found.dispersion, "n_clusters": found.n_clusters}
    check(path, case["expected_curve"], case["tolerance"])
    if "proposal_step_integral" in case:  # a possible cure of the trapezoid, not a metric of ours
        exact = curve(merges(X), y, min_dt=0.0)
        steps = np.diff(exact.thresholds) * exact.dispersion[:-1]
        assert exact.dispersion[0] - steps.sum() == pytest.approx(case["proposal_step_integral"], abs=0.02)


def one_vs_rest(case, check) -> None:
    Z, labels = np.array(case["inputs"]["X"]), np.array(case["inputs"]["labels"])
    found = metrics.rogi_labels(Z, labels)
    shares = {name: float(np.mean(labels.astype(str) == name)) for name in found.per_label}
    ours = {
        "per_class": found.per_label,
        "macro": found.rogi,
        "weighted": sum(found.per_label[name] * share for name, share in shares.items()),
        "xd_per_class": found.per_label_xd,
        "xd_macro": found.rogi_xd,
    }
    check(ours, case["expected"], case["tolerance"])
    codes = np.array([{"0": 1, "1": 0, "2": 2}[str(label)] for label in labels])
    assert metrics.rogi_labels(Z, codes).rogi_xd == pytest.approx(found.rogi_xd, abs=1e-12)


def classification(case, check) -> None:
    truth, answer = case["inputs"]["y_true"], case["inputs"]["y_pred"]
    ours = {
        "accuracy": metrics.accuracy(truth, answer),
        "macro_f1_sklearn": metrics.macro_f1(truth, answer),
        "macro_f1_true_labels_only": metrics.macro_f1(truth, answer, true_labels_only=True),
        "kappa": metrics.kappa(truth, answer),
        "balanced_accuracy": metrics.balanced_accuracy(truth, answer),
    }
    check(ours, case["expected"], case["tolerance"])


def novelty(case, check) -> None:
    pair = case["inputs"]["is_novel"], case["inputs"]["score"]
    ours = {
        "auroc": metrics.auroc(*pair),
        "aupr": metrics.aupr(*pair),
        "fpr95_closest_recall": metrics.fpr95(*pair, closest=True),
        "fpr95_at_least": metrics.fpr95(*pair),
    }
    check(ours, case["expected"], case["tolerance"])


def fronts(case, check) -> None:
    inputs = case["inputs"]
    ours = {
        "fronts": metrics.pareto_fronts(inputs["population"]),
        "eps_fronts": metrics.pareto_fronts(inputs["population_eps"], eps=inputs["eps"]),
        "strict_fronts_of_population_eps": metrics.pareto_fronts(inputs["population_eps"]),
    }
    assert ours == case["expected"]


def or_none(call, *args) -> float | None:
    try:
        return call(*args)
    except Undefined:
        return None


def double_perturbation(case, check) -> None:
    inputs, n = case["inputs"], case["inputs"]["n_top"]
    control, singles = np.array(inputs["ctrl"]), {k: np.array(v) for k, v in inputs["singles"].items()}
    truth = np.array(inputs["double_true"])
    centroid = perturbation.mean_effect(singles)
    predictions = {
        "no_change": control,
        "additive": metrics.additive_effect(control, singles["A"], singles["B"]),
        "train_mean": centroid,
        "cell_weighted_mean": perturbation.mean_effect(singles, cells=inputs["n_cells"]),
        "matching_mean": perturbation.mean_effect({name: singles[name] for name in "AB"}),
    }
    top, changed = metrics.top_expressed(control, n), perturbation.top_changed(truth, control, n)
    delta = metrics.pearson_delta
    scores = {
        name: {
            "l2_top20": metrics.l2(guess[top], truth[top]),
            "pearson_delta_top20": or_none(delta, guess[top], truth[top], control[top]),
            "pearson_delta_all": or_none(delta, guess, truth, control),
            "pearson_delta_top20_changed": or_none(delta, guess[changed], truth[changed], control[changed]),
            "pearson_delta_ref_perturbed_centroid": or_none(delta, guess, truth, centroid),
            "pearson_of_profiles_all": delta(guess, truth, np.zeros_like(truth)),
        }
        for name, guess in predictions.items()
    }
    ours = {"top_expressed": top, "top_changed": changed, "predictions": predictions, "scores": scores}
    check(ours, case["expected"], case["tolerance"])


def centroid_accuracy(case, check) -> None:
    inputs = case["inputs"]
    constant = dict.fromkeys(inputs["truth"], inputs["constant_prediction"])
    per = {
        "model": metrics.centroid_accuracy(inputs["predicted"], inputs["truth"]),
        "train_mean": metrics.centroid_accuracy(constant, inputs["truth"]),
    }
    centroid = perturbation.mean_effect(inputs["truth"])
    ours = {
        "per_perturbation": per,
        "mean": {name: np.mean(list(values.values())) for name, values in per.items()},
        "systematic_variation_cosine_from_ctrl": metrics.systematic_variation(
            inputs["truth"], inputs["ctrl"]
        ),
    }
    # The changes from their own centroid sum to zero: the value given is the direction of a rounding error.
    assert abs(case["expected"].pop("systematic_variation_cosine_from_perturbed_centroid")) < 1
    with pytest.raises(Undefined):
        metrics.systematic_variation(inputs["truth"], centroid)
    check(ours, case["expected"], case["tolerance"])
