"""What every kind promises, tested once against the pretended servers and once against the real ones."""

import pytest

pytest.register_assert_rewrite("lifecycle.promises")
