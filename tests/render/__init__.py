"""What rendering must do for every plan and every back end; needs no engine."""
