"""A stand-in WebUI that fails on demand."""

from tests.support.stand_in import StandIn

OUT_OF_MEMORY = (500, b'{"error": "OutOfMemoryError", "errors": "CUDA out of memory"}')
NOT_JSON = (200, b"<html>a proxy's page</html>")
NO_IMAGES = (200, b'{"images": []}')
BROKEN_IMAGE = (200, b'{"images": ["AAAA"]}')
REFUSED_JOB = (422, b'{"detail": "Sampler not found"}')
REFUSED_SETTING = (422, b'{"field": "b1", "allowed": "must be at most 1.4"}')
WRONG_LOGIN = (401, b'{"detail": "Incorrect username or password"}')
JOB, VALIDATE, SCHEMA = "/sdapi/v1/txt2img", "/freeu/v1/validate", "/freeu/v1/schema"


class FaultyWebUI(StandIn):
    """`faults` has the next answers of each route, by path. `always` has answers that do not end."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.faults = {}
        self.always = {}

    def answer(self, path, body):
        if path in self.always:
            return self.always[path]
        if self.faults.get(path):
            return self.faults[path].pop(0)
        return super().answer(path, body)
