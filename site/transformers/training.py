def AutoTokenizer(*args):
    raise RuntimeError("reads data")
class Trainer:
    def __init__(self, model):
        raise RuntimeError("trains")
