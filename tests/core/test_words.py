import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tasks.core.words import without_password


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("http://me:secret@host:4200/api", "http://***@host:4200/api"),
        ("s3://key:secret@bucket/products", "s3://***@bucket/products"),
        ("s3://key:sec/ret+@bucket/x and s3://b/x", "s3://***@bucket/x and s3://b/x"),
        ("http://host:4200/a@b", "http://host:4200/a@b"),
        ("https://token@host/", "https://***@host/"),
        (
            "cannot connect to http://a:b@h/ nor http://c:d@h",
            "cannot connect to http://***@h/ nor http://***@h",
        ),
        ("http://me:with@sign@host/", "http://***@host/"),
        ("https://host/people/a@b?c=d@e", "https://host/people/a@b?c=d@e"),
        ("/data/a@b", "/data/a@b"),
        ("", ""),
    ],
)
def test_no_address_names_a_password(text, told):
    assert without_password(text) == told


@given(
    user=st.text("abcXYZ019%."),
    password=st.text("abcXYZ019%+=:@/.", min_size=1),
    host=st.text("abc.", min_size=1),
    path=st.text("abc/"),
)
def test_whatever_the_password_is(user, password, host, path):
    assume(not re.match(r"\d+/", password))
    told = without_password(f"http://{user}:{password}@{host}/{path}")
    assert told == f"http://***@{host}/{path}"
