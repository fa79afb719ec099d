"""AdAct without a learning rate beside tuned rivals, on Fashion-MNIST."""
