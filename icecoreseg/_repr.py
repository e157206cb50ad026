"""Where the documentation of an estimator stands, for its picture in a notebook.

scikit-learn draws estimators in notebooks, with a link to the page of each. Ours link to
the pages that ``nox -s docs`` builds, once somebody says where they are served.
"""

import os

VARIABLE = "ICECORESEG_DOCS"


def doc_link_template():
    """Address of an estimator's page, for scikit-learn to fill in the name.

    Returns
    -------
    str
        ``""`` (no link) unless the environment variable ``ICECORESEG_DOCS`` holds the
        address of the documentation's front page, such as ``http://localhost:8000``.

    Examples
    --------
    >>> os.environ["ICECORESEG_DOCS"] = "http://localhost:8000/"
    >>> from icecoreseg import CoreMasker
    >>> CoreMasker()._get_doc_link()
    'http://localhost:8000/api/generated/icecoreseg.CoreMasker.html'
    >>> del os.environ["ICECORESEG_DOCS"]
    >>> CoreMasker()._get_doc_link()
    ''
    """
    address = os.environ.get(VARIABLE, "").rstrip("/")
    return f"{address}/api/generated/icecoreseg.{{estimator_name}}.html" if address else ""
