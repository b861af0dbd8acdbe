from hypothesis import HealthCheck, settings

settings.register_profile(
    "freeu", deadline=None, print_blob=True, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("freeu")
