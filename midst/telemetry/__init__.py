from midst.telemetry.shared.values import SharedValue

# Here, for here nobody has made a metric yet.
SharedValue.install()
