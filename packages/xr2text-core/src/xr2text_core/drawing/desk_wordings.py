"""The sentences of phantoms with two films, a question and a last study. The first wording is the commonest.

Places to fill: {thing} left pneumothorax, {age} 64, {person} woman; the others are those of wordings.py.
"""

from typing import NamedTuple

from xr2text_core.drawing.wordings import Wordings


class Question(NamedTuple):
    """Why a film was taken: findings that the report must deny where they are not there, and how it is written."""

    asks_for: tuple[str, ...]
    wordings: Wordings


# No question asks for what most others ask for, so none can be answered without reading it.
QUESTIONS: dict[str, Question] = {
    "fever": Question(
        ("consolidation", "pleural effusion"),
        ("{age}-year-old {person} with fever and cough.", "Fever.", "Productive cough, question of infection."),
    ),
    "dyspnea": Question(
        ("edema", "pneumothorax"),
        ("{age}-year-old {person} with shortness of breath.", "Dyspnea.", "Worse breathing since yesterday."),
    ),
    "trauma": Question(
        ("fracture", "pneumothorax"),
        ("{age}-year-old {person} after a fall.", "Trauma.", "Motor vehicle collision, chest wall pain."),
    ),
    "cancer": Question(
        ("lung lesion", "pleural effusion"),
        ("{age}-year-old {person} with weight loss.", "Smoker, staging.", "Known cancer, any spread to the chest?"),
    ),
    "surgery": Question(
        ("edema", "consolidation", "lung lesion"),
        ("{age}-year-old {person} before surgery.", "Preoperative film.", "Clearance for an operation next week."),
    ),
}
PEOPLE = ("woman", "man")
AGES = (19, 90)

NEGATIVES: dict[str, Wordings] = {
    "consolidation": ("No focal consolidation.", "There is no consolidation.", "No consolidation is seen."),
    "pleural effusion": ("No pleural effusion.", "There is no pleural effusion.", "No pleural effusion is seen."),
    "edema": ("No pulmonary edema.", "There is no pulmonary edema.", "No pulmonary edema is seen."),
    "pneumothorax": ("No pneumothorax.", "There is no pneumothorax.", "No pneumothorax is seen."),
    "fracture": ("No acute fracture.", "There is no fracture.", "No fracture is seen."),
    "lung lesion": ("No pulmonary nodule or mass.", "There is no nodule or mass.", "No nodule or mass is seen."),
}

VIEWS: dict[str, Wordings] = {
    "PA": ("PA and lateral views of the chest.", "Two views of the chest.", "Frontal and lateral views."),
    "AP": ("AP and lateral views of the chest.", "AP view and lateral view.", "AP and lateral chest radiographs."),
}

ONLY_LATERAL: dict[str, Wordings] = {
    "lung opacity": (
        "The lateral view shows a retrocardiac opacity.",
        "There is a retrocardiac opacity on the lateral view.",
        "Retrocardiac opacity, seen on the lateral view only.",
    ),
    "pleural effusion": (
        "The lateral view shows a small posterior pleural effusion.",
        "There is a small posterior pleural effusion on the lateral view.",
        "Small pleural effusion in the posterior angle, seen on the lateral view only.",
    ),
    "degenerative spine": (
        "The lateral view shows osteophytes of the thoracic spine.",
        "There are thoracic spine osteophytes on the lateral view.",
        "Osteophytes of the thoracic spine are seen on the lateral view only.",
    ),
    "fracture": (
        "The lateral view shows a fracture of the sternum.",
        "There is a sternal fracture on the lateral view.",
        "Fracture of the sternum, seen on the lateral view only.",
    ),
}
IMPRESSION_LATERAL = {
    "lung opacity": "retrocardiac opacity",
    "pleural effusion": "small posterior pleural effusion",
    "degenerative spine": "osteophytes of the thoracic spine",
    "fracture": "sternal fracture",
}

# Put before the full stop of the sentence that names the finding.
CHANGE: dict[str, Wordings] = {
    "new": (", new since the prior study", ", which is new", ", new compared to the prior study"),
    "larger": (", increased since the prior study", ", which has increased", ", larger compared to the prior study"),
    "smaller": (", decreased since the prior study", ", which has decreased", ", smaller compared to the prior study"),
    "unchanged": (", unchanged since the prior study", ", which is stable", ", unchanged compared to the prior study"),
}
RESOLVED: Wordings = (
    "The {thing} has resolved since the prior study.",
    "The previously seen {thing} has resolved.",
    "The {thing} of the prior study is no longer seen.",
)
NOTHING_CHANGED: Wordings = (
    "No interval change since the prior study.",
    "Unchanged compared to the prior study.",
    "Stable appearance since the prior study.",
)
THINGS = {  # findings that may be gone; not effusions, of which the lateral film alone might still show a small one
    "pneumothorax": "{side} pneumothorax",
    "consolidation": "{side} {place} consolidation",
    "atelectasis": "{side} {place} atelectasis",
    "edema": "pulmonary edema",
}
