"""Means of scores: what the field calls biological conservation, batch correction and total.

A composite is undefined as soon as one of its parts is (NaN): the caller leaves it out.
"""

import numpy as np

from metrics.checks import Undefined


def bio_conservation(isolated: float, nmi: float, ari: float, asw: float, clisi: float) -> float:
    """Mean of isolated labels, k-means NMI and ARI, silhouette, cLISI (10.1038/s41592-021-01336-8)."""
    return _mean(isolated, nmi, ari, asw, clisi)


def batch_correction(bras: float, ilisi: float, kbet: float, connectivity: float, pcr: float) -> float:
    """Mean of BRAS, iLISI, kBET, graph connectivity and PCR comparison; 1 best, and noise can reach it."""
    return _mean(bras, ilisi, kbet, connectivity, pcr)


def scib_total(bio: float, batch: float) -> float:
    """0.6 × biological conservation + 0.4 × batch correction; 1 best (10.1038/s41592-021-01336-8)."""
    return 0.6 * _mean(bio) + 0.4 * _mean(batch)


def avg_bio(nmi: float, ari: float, asw: float) -> float:
    """Mean of label-optimised NMI and ARI and the silhouette; 1 best (10.1038/s41592-024-02201-0)."""
    return _mean(nmi, ari, asw)


def avg_batch(asw_batch: float, connectivity: float) -> float:
    """AvgBATCH: mean of the batch silhouette and graph connectivity; 1 best (scFM-Bench@46acb1d)."""
    return _mean(asw_batch, connectivity)


def scibe_total(batch: float, inter_type: float, intra_type: float) -> float:
    """scIB-E total: 0.2 batch + 0.4 between types + 0.4 within types; 1 best (scIB-E@e55b91b)."""
    return 0.2 * _mean(batch) + 0.4 * _mean(inter_type) + 0.4 * _mean(intra_type)


def _mean(*parts: float) -> float:
    if np.isnan(parts).any():
        raise Undefined("a part is undefined")
    return float(np.mean(parts))
