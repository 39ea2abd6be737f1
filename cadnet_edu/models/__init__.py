"""The networks: encoders E and F, decoder G, discriminators D_F and D_I, classifier C, and CAD-Net of them all."""
