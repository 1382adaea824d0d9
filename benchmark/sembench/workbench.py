"""A workbench for notebooks and scripts: fit or load an explainer, let it explain, draw it, score it.

::

    bench = Workbench("digits", image_size=40)
    network = bench.train("resnet10-narrow", epochs=8)      # or a Backbone of your own
    kmex = bench.fit("kmex", network, prototypes_per_class=5)
    kmex.explain(bench.test(0, 1, 2))
    kmex.draw("prototypes")
    kmex.score("accuracy", "ghosting", "lrp_kl")
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import ValidationError

from sembench.backbones.backbone import Backbone, freeze
from sembench.backbones.checks import examined_copy
from sembench.data.dataset import Dataset
from sembench.errors import SuiteInvalid
from sembench.evaluation.reference import Reference
from sembench.explainers.configuration import plain, recipe
from sembench.explainers.explainer import Explainer
from sembench.fitted import FittedExplainer
from sembench.plugins.registry import DATASETS
from sembench.running.black_box import backbone_of, examined, rescaled, stated
from sembench.running.cache import tensors_sha256
from sembench.running.device import deterministic, device_of
from sembench.running.plausibility import notes_on
from sembench.seeding import derive, generator, isolated
from sembench.suites.suite import EvaluationSpec, ExplainerSpec
from sembench.training.classifier import Training, train_backbone
from sembench.training.stages import Session
from sembench.types import Batch


class Workbench:
    """A data set, and what is fitted to it.

    What a user should know of the data set, or of a network that does not seem to get its images as it was trained, is
    a `UserWarning` once, and stands in ``notes``.

    Args:
        dataset: Name of a data set in the registry, or one of your own.
        data_root: Folder of data sets, for a name.
        seed: Decides every draw.
        device: ``"cpu"``, ``"cuda"``, ``"mps"``.
        **options: Options of the named data set, ``image_size`` for example.

    Raises:
        UnknownName, SuiteInvalid: If there is no such data set or device, or it does not take these options.
    """

    def __init__(
        self, dataset: str | Dataset, *, data_root: Path | str = "data", seed: int = 0, device: str = "cpu",
        **options: Any,
    ) -> None:  # fmt: skip
        self.device = device_of(device)
        self.seed = seed
        try:
            named = isinstance(dataset, str)
            self.dataset: Dataset = DATASETS.get(dataset)(Path(data_root), **options) if named else dataset  # type: ignore[arg-type,assignment]
        except TypeError as error:
            raise SuiteInvalid(f"{dataset}: {error}.") from error
        self._references: dict[tuple[str, str], Reference] = {}
        self.notes: list[str] = []
        self._note(self.dataset.notes, level=3)

    def train(self, backbone: str | Backbone = "resnet10-narrow", *, frozen: Literal[False, "encoder"] = False,
              epochs: int = 8, learning_rate: float = 0.05, momentum: float = 0.9, weight_decay: float = 5e-4,
              batch_size: int = 32, nesterov: bool = True, **network: Any) -> Backbone:  # fmt: skip
        """A network, trained on the data set's training split and frozen.

        Args:
            backbone: A registered one by name, ``path/to/file.py:factory``, or a backbone, of which a copy is trained.
            frozen: ``"encoder"``: only its linear layer is trained.
            epochs: Passes over the training split.
            learning_rate: Initial learning rate of the cosine schedule.
            momentum: Momentum, 0 for none.
            weight_decay: L2 penalty.
            batch_size: Images per step.
            nesterov: Whether the momentum is Nesterov's.
            **network: What a suite says of a backbone by name: ``weights``, ``mean``, ``std`` and so on, see
                `sembench.suites.network.BackboneSpec`.

        Raises:
            UnknownName, SuiteInvalid: If there is no such backbone, or it does not take these settings.
            BackboneUnfit: If it cannot be used on these images, see `sembench.backbones.checks.examined_copy`.
            FitImpossible: If the training diverges.
        """
        recipe = Training(epochs, learning_rate, momentum, weight_decay, batch_size, nesterov=nesterov)
        if frozen not in (False, "encoder"):
            raise SuiteInvalid(f'frozen is {frozen!r}; to train takes False or "encoder". Fit to a frozen one at once.')
        if network and isinstance(backbone, Backbone):
            raise SuiteInvalid(f"{', '.join(network)}: settings of a backbone by name; give them to sembench.adapt.")
        train, session = self.dataset.train, Session(derive(self.seed, self.dataset.name, "training"))
        with deterministic(self.device):
            with isolated(derive(self.seed, self.dataset.name, "backbone")):
                if isinstance(backbone, Backbone):
                    made = self._copy(backbone)
                else:
                    spec, size = stated(backbone, frozen=frozen, **network), train.image_size
                    classes, normalisation = self.dataset.n_classes, train.normalisation
                    made = backbone_of(spec, classes, image_size=size, normalisation=normalisation).to(self.device)
            train_backbone(made, train, recipe, session, head_only=frozen == "encoder")
        if not frozen:
            made.expects = train.normalisation  # those are the images that it knows now
        return examined(freeze(made), train)

    def _copy(self, backbone: Backbone) -> Backbone:
        """A copy of a network that takes this data set's images, examined.

        Raises:
            SuiteInvalid: If it is none, or has other classes.
            BackboneUnfit: See `sembench.backbones.checks.examined_copy`.
        """
        if not isinstance(backbone, Backbone):
            raise SuiteInvalid(
                f"the network is a {type(backbone).__name__}; a sembench.Backbone is needed, which Workbench.train and "
                "sembench.adapt return."
            )
        if backbone.n_classes != self.dataset.n_classes:
            raise SuiteInvalid(
                f"the network has {backbone.n_classes} classes where {self.dataset.name} has {self.dataset.n_classes}. "
                f"Adapt it with n_classes={self.dataset.n_classes}, and train that new layer."
            )
        notes: list[str] = []
        made = examined_copy(backbone, self.dataset.train.image_size, notes).to(self.device)
        self._note((f"the network: {note}." for note in notes), level=5)
        return rescaled(made, self.dataset.train.normalisation)

    def fit(
        self, explainer: str | Explainer, backbone: Backbone, *, name: str | None = None, **parameters: Any
    ) -> FittedExplainer:
        """An explainer, fitted to a backbone: a registered one by name with its hyper-parameters, or a recipe.

        The backbone that is given stays as it is; the explainer holds a frozen copy.

        Raises:
            UnknownName, SuiteInvalid: If there is no such explainer, or it does not take these hyper-parameters.
            BackboneUnfit: If the network cannot be used on these images, see `sembench.backbones.checks.examined_copy`.
            FitImpossible: If the data does not allow them.
        """
        made = recipe(explainer, parameters, self.dataset.name) if isinstance(explainer, str) else explainer
        spec = _spec_of(explainer, parameters) if isinstance(explainer, str) else None
        reference = self._reference(backbone)
        with deterministic(self.device):
            source = generator(self.seed, self.dataset.name, "fit")
            model = made.fit(reference.backbone, self.dataset.train, generator=source).to(self.device).eval()
        label = name or (explainer if isinstance(explainer, str) else type(made).__name__)
        return FittedExplainer.of(label, made, model, reference, spec)

    def _reference(self, backbone: Backbone) -> Reference:
        """A frozen copy of the network as black box on the data set, one for all that are fitted to this function."""
        train = self.dataset.train
        with isolated(derive(self.seed, self.dataset.name, "backbone")):
            frozen = freeze(self._copy(backbone))
        images = train.batch(torch.arange(min(2, len(train)))).images.to(self.device)
        with torch.no_grad():  # equal weights may be other networks: other images are expected, other places cut
            maps, embedding = frozen.maps_and_embedding(images)
            answers = {"embeddings of the first images": embedding, "and logits": frozen.classifier(embedding)}
            answers |= {f"and maps of block {place}": found for place, found in enumerate(maps)}
        key = tensors_sha256({**frozen.state_dict(), **answers}), frozen.attribution
        if key not in self._references:
            reference = Reference(examined(frozen, train), self.dataset, self.seed, EvaluationSpec())
            self._references[key] = reference
            self._note(notes_on(reference, assumed=backbone.expects is None, brought=True))
        return self._references[key]

    def _note(self, notes: Iterable[str], level: int = 4) -> None:
        """Warns of each note that is new, as if ``level`` calls above."""
        for text in notes:
            if text not in self.notes:
                self.notes.append(text)
                warnings.warn(text, UserWarning, stacklevel=level)

    def test(self, *indices: int) -> Batch:
        """Test images by position."""
        return self.dataset.test.batch(torch.tensor(indices, dtype=torch.int64))

    def _repr_html_(self) -> str:
        data = self.dataset
        sizes = f"{len(data.train):,} training and {len(data.test):,} test images, {data.n_classes} classes"
        return f"<b>{escape(data.name)}</b>: {sizes}, {data.train.image_size} pixels; {escape(data.licence)}" + "".join(
            f"<br>note: {escape(text)}" for text in self.notes
        )


def _spec_of(name: str, parameters: dict[str, Any]) -> ExplainerSpec | None:
    """An entry of a suite with these hyper-parameters; ``None`` where a suite could not state them."""
    try:
        return ExplainerSpec(name=name, parameters=plain(parameters))
    except ValidationError:
        return None
