"""Import this before any numeric library: one thread, and no preset choice of kernels."""
import os

# A preset kernel choice would slow FAISS's matrix products: let it see the processor it runs on.
for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
