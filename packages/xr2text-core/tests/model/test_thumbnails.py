"""Thumbnails are a ridge regression beside the network, which must not see it while it learns."""

import numpy as np
import torch
from sklearn.linear_model import Ridge

from xr2text_core.model.thumbnails import RIDGE, SIDE, Thumbnails
from xr2text_core.model.xr2text import XR2TextModel

NUM_STUDIES, NUM_FILMS, NUM_FINDINGS = 40, 2, 3


def fitted() -> tuple[Thumbnails, torch.Tensor, torch.Tensor, np.ndarray]:
    """Fitted thumbnails, the films (N, V, 1, H, H) behind them, which there are, and the findings."""
    rng = np.random.default_rng(0)
    films = torch.from_numpy(rng.random((NUM_STUDIES, NUM_FILMS, 1, 48, 48)))
    is_film = torch.ones(NUM_STUDIES, NUM_FILMS, dtype=torch.bool)
    is_film[::5, 1] = False
    truth = (rng.random((NUM_STUDIES, NUM_FINDINGS)) < 0.4).astype(float)
    small = torch.nn.functional.adaptive_avg_pool2d(films.flatten(0, 1), SIDE).view(NUM_STUDIES, NUM_FILMS, -1)
    thumbnails = Thumbnails(NUM_FILMS, NUM_FINDINGS, 10).double()
    thumbnails.fit(small.numpy(), is_film.numpy(), truth, np.arange(0, 40, 4))
    return thumbnails, films, is_film, truth


def test_logits_are_a_ridge_regression_of_the_findings_over_the_slope_of_the_logistic_function() -> None:
    thumbnails, films, is_film, truth = fitted()
    pixels = thumbnails.pixels(films.float(), is_film).numpy()
    peer = Ridge(alpha=RIDGE, fit_intercept=False).fit(pixels, truth - truth.mean(0))
    expected = peer.predict(pixels) / (truth.mean(0) * (1 - truth.mean(0)))
    np.testing.assert_allclose(thumbnails.logits(torch.from_numpy(pixels)).numpy(), expected, atol=1e-6)


def test_a_missing_film_counts_as_an_average_one_whatever_stands_in_its_place() -> None:
    thumbnails, films, is_film, _ = fitted()
    other = films.clone()
    other[~is_film] = torch.nan
    found = thumbnails.pixels(other, is_film)
    assert torch.equal(found, thumbnails.pixels(films, is_film))
    assert (found.view(NUM_STUDIES, NUM_FILMS, -1)[~is_film] == 0).all()


def test_one_film_of_a_model_that_knows_two_is_the_frontal_one() -> None:
    thumbnails, films, is_film, _ = fitted()
    alone, both = thumbnails.pixels(films[:, :1]), thumbnails.pixels(films, is_film)
    assert torch.equal(alone[~is_film[:, 1]], both[~is_film[:, 1]])


def test_the_weights_over_the_bank_sum_to_a_report_that_resembles_the_own_one_most() -> None:
    thumbnails, films, is_film, _ = fitted()
    weights = thumbnails.wording(thumbnails.pixels(films, is_film))
    assert weights.shape == (NUM_STUDIES, 10)
    assert weights[::4].argmax(1).tolist() == list(range(10))


def test_thumbnails_are_silent_while_the_network_learns(tiny_model: XR2TextModel) -> None:
    study = tiny_model.encoder.study
    assert study is not None
    study.thumbnails.to_findings.fill_(1.0)
    study.thumbnails.share.fill_(1.0)
    films = torch.rand(2, 1, 64, 64)
    study.films.dropout.p = 0.0
    learning = study(torch.zeros(2, 1, 128), study.thumbnails.pixels(films.unsqueeze(1)))[0]
    reading = study.eval()(torch.zeros(2, 1, 128), study.thumbnails.pixels(films.unsqueeze(1)))[0]
    assert torch.equal(learning, study.films(torch.zeros(2, 1, 128))[0]) and not torch.equal(learning, reading)
