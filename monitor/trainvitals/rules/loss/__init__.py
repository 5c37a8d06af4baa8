"""What the loss itself does: not finite, running away, spiking, never moving, standing still."""
