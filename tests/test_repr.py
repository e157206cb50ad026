"""What notebooks show of estimators and generated cores."""

import base64
import pickle
import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.pipeline import make_pipeline
from sklearn.utils import Bunch

import icecoreseg
from icecoreseg import CoreMasker, GMMLabeler
from icecoreseg._base import StackEstimator
from icecoreseg.datasets import make_ice_core

API_PAGE = Path(__file__).parent.parent / "docs" / "api.rst"


def estimators():
    names = (getattr(icecoreseg, name) for name in icecoreseg.__all__)
    return [
        thing for thing in names if isinstance(thing, type) and issubclass(thing, StackEstimator)
    ]


def test_the_diagram_of_a_pipeline_links_to_the_pages(monkeypatch):
    pipeline = make_pipeline(CoreMasker(), GMMLabeler())
    assert "icecoreseg.GMMLabeler.html" not in pipeline._repr_html_()
    monkeypatch.setenv("ICECORESEG_DOCS", "http://localhost:8000/")
    html = pipeline._repr_html_()
    for name in ("CoreMasker", "GMMLabeler"):
        assert f'href="http://localhost:8000/api/generated/icecoreseg.{name}.html' in html


def test_every_link_leads_to_a_page_that_is_built(monkeypatch):
    monkeypatch.setenv("ICECORESEG_DOCS", "x")
    page = API_PAGE.read_text()
    top = page[: page.index("currentmodule:: icecoreseg.metrics")]
    top += page[page.index("Microstructure\n---") :].split("icecoreseg.microstructure")[0]
    assert len(estimators()) > 15
    for estimator in estimators():
        name = re.fullmatch(
            r"x/api/generated/icecoreseg\.(\w+)\.html", estimator._get_doc_link(bare(estimator))
        )
        assert name[1] == estimator.__name__
        assert f"\n   {name[1]}\n" in top


def bare(estimator):
    return estimator.__new__(estimator)


def test_estimators_of_users_have_no_link_of_ours(monkeypatch):
    monkeypatch.setenv("ICECORESEG_DOCS", "x")

    class Mine(StackEstimator):
        pass

    assert Mine()._get_doc_link() == ""


@pytest.fixture(scope="module")
def core():
    return make_ice_core("ice", n_slices=2, n_columns=40, random_state=0)


def test_a_core_in_a_terminal_is_one_line(core):
    text = repr(core)
    assert "\n" not in text
    assert len(text) < 140
    assert f"{core.density_kg_m3:.1f} kg m-3" in text
    assert "2 slices of 40 x 40" in text
    assert "4 of 80 x 80" in text


def test_a_core_in_a_notebook_shows_its_middle_slice(core):
    html = core._repr_html_()
    assert all(f"<code>{key}</code>" in html for key in core)
    code = re.search(r"base64,([^']+)'", html)[1]
    picture = np.asarray(Image.open(BytesIO(base64.b64decode(code))))
    np.testing.assert_array_equal(picture, core.low[1])


def test_a_core_is_a_bunch_and_can_be_pickled(core):
    again = pickle.loads(pickle.dumps(core))
    assert isinstance(again, Bunch)
    assert repr(again) == repr(core)
    np.testing.assert_array_equal(again.high, core.high)
