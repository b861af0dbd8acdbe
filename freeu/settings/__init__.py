"""What a user can set: parameters, their values, and how images store them. Needs neither torch nor a WebUI."""
